"""The rows of the table of exception kinds, by what they concern. `exception_kinds` joins them."""
