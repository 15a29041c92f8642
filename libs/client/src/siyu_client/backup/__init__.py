"""Backups of a platform's stores, and putting them back."""
