"""PostgreSQL: sessions, transactions and what the server's errors mean. What is stored is known to other rooms."""
