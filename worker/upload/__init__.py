"""An uploaded file: where it is stored, how its bytes become sheets, its sheets questions, its questions a plan."""
