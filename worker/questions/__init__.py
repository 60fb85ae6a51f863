"""An exam question: as read, as answered, as stored in the platform. Stores hold the SQL, the rest is pure."""
