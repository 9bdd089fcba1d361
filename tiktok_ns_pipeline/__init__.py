"""TikTok Shop and Oracle NetSuite, kept in agreement: observe, stage, intend, apply, prove."""
