"""School years of records: their partitions, their archives, and dropping them."""
