"""Google's APIs, one file each: requests in Google's shapes over the model. Knows no transport."""
