"""What operators watch: figures read from the rows, as Prometheus metrics."""
