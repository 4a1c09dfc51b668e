"""The network over HTTP: the server, the command line, the development accounts."""
