"""What measures speed and plays the outside world. The worker never imports it."""
