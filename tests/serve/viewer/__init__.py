"""A package, so that its tests share one browser, which ends with the last of them (`scope="package"`)."""
