"""What the operating system and the network give: child processes, private files, streams, one HTTP transport."""
