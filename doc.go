// Package jarvis keeps clusters of self-hosted LLM servers (LM Studio, Ollama,
// llama.cpp, OpenAI-compatible) serving, around the clock, with nobody watching.
//
// The work is done by the packages below this one; the command jarvis-heal is
// a thin layer on top:
//
//   - nodes: what a server is and can do; one package for each engine below it
//   - nodes/route: who serves now
//   - nodes/nodetest: fakes of every engine, and the test that a backend of
//     your own must pass
//   - healer: diagnosis, repair, verification, rollback
//   - scoring: how right an answer is, and how good a model
//   - history: what was measured, and the champion
//
// Start with package healer, and with the programs in examples.
package jarvis
