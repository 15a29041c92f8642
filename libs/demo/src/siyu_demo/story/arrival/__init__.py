"""The ways on which records and facts reach the platform."""
