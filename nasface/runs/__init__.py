"""Run folders: the only room that knows the names of the files in one; knows no job."""
