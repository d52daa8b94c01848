// Package simulate lives through years of the agent in minutes, in its tests
// alone: the real service, state, sandbox and deployments in a bubble of
// testing/synctest, where time is virtual, with random weather from a seed.
// Connections are carried in memory, and commands are run by functions;
// docs/simulation.md says what else is not as it is outside.
package simulate
