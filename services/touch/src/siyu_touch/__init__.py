"""Campaigns, decisions and deliveries."""
