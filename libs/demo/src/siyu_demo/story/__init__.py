"""The story that the demo tells: a broker's quarter, played through the platform and checked."""
