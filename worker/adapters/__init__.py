"""One outside thing per file: database, storage, model endpoint, spreadsheet formats. No adapter knows another."""
