"""Who is tested on what, and how a network is trained."""
