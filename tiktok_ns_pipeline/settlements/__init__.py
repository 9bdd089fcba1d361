"""The settlement flow: what TikTok paid out becomes balanced journals that empty the clearing account."""
