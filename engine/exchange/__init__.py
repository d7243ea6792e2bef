"""Writing workflows in other projects' layouts, and importing their searches."""
