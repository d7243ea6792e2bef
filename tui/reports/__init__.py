"""What commands print: tables for people, JSON for programs, a run as plain lines."""
