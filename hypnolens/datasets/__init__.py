"""Where recordings come from: what each kind of dataset lists, and files from servers."""
