package config

// Source is where a configuration comes from.
type Source struct {
	// Environ is the environment, as os.Environ has it.
	Environ []string
	// Dir is the working directory, absolute: relative paths of the environment and of defaults begin there.
	Dir string
	// Executable is the path of the host's own binary.
	Executable string
}

type origin struct{}

type settings struct{}

// Load reads the configuration. Its error is [Faults].
func Load(src Source) (*Config, error) { return nil, nil }

// Plugin answers the configuration of an instance, with every default filled in, also when it is not configured.
func (c *Config) Plugin(instance string) Plugin { return Plugin{} }

// ResolveSettings answers the settings as one JSON object, every reference resolved and every value of the environment
// brought to the type that the schema (JSON Schema 2020-12, from the manifest) gives it. A property with "writeOnly":
// true is a secret and must not stand in the file as it is. The error is [Faults].
func (p Plugin) ResolveSettings(schema []byte) ([]byte, error) { return nil, nil }
