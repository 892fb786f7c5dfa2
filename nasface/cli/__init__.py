"""The console command: arguments and printing; no logic."""
