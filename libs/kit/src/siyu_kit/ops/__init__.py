"""What those who run the platform do in every service (siyu.ops.v1)."""
