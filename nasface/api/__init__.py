"""The public functions and classes; ``nasface`` offers them, and the console command calls them."""
