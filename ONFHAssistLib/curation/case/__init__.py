"""One case: its record, its pose, what a reader hands over; nothing here touches a data set's folder."""
