"""Standard tasks of control: GAIL, VAIL, DAC, SQIL and cloning, and GAIL of `imitation`."""
