"""The browser's and programs' face: pages and API over the domain."""
