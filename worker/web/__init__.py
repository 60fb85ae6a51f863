"""`medq serve`: the page and the API over what the commands call. How work is done is not known here."""
