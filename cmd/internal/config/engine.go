package config

// engineNames lists the engines that a node can name.
func engineNames() []string { return []string{"lmstudio", "ollama", "llamacpp", "openai"} }

// loadKeys returns the load settings that an engine knows; ok is false for an
// unknown engine.
func loadKeys(engine string) (keys []string, ok bool) {
	keys, ok = map[string][]string{
		"lmstudio": {"context_length", "eval_batch_size", "flash_attention", "num_experts", "offload_kv_cache_to_gpu"},
		"ollama":   {"num_ctx", "num_batch", "num_gpu", "main_gpu", "use_mmap", "num_thread"},
		"llamacpp": {},
		"openai":   {},
	}[engine]
	return keys, ok
}
