"""A face: the command `quietdesk`. Output to stdout, talk to stderr."""
