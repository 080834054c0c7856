--- The version, as in the rock, the user agent and `kataven._VERSION`.
return "0.1.0"
