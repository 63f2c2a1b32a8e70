"""Files that survive a crash, locks on them, and files elsewhere. Knows no artifact."""
