"""The pages, feeds and widgets of the club and of its groups."""
