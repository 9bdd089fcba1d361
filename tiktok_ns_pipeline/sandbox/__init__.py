"""One simulated world behind two faithful servers: TikTok Shop and NetSuite (DESIGN 7)."""
