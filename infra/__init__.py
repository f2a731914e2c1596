"""What deploys Quietdesk, and what checks it before. Nothing here is part of the package."""
