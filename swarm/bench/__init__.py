"""`swarmd bench`: a node process under raw DTLS-SRTP load from other processes, and what it costs on this machine."""
