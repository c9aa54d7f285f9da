"""What the Slack adapter promises beyond the chat's contract."""
