"""The background worker behind the platform's uploads of exam questions."""
