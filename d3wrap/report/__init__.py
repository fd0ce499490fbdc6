"""What a comparison found, to look at: a page, and tables for papers and spreadsheets."""
