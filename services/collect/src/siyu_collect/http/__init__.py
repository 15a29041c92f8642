"""The SDKs' HTTP door."""
