"""Who gets how much of a service: rates, fair shares, and what is refused under load."""
