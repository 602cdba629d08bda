"""The wire: bytes to events to frames, and payload bytes to typed values; all of it pure."""
