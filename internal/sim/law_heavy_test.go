//go:build heavy

package sim_test

import "testing"

// TestLawsOfDetectionMillion is TestLawsOfDetection with a million detections for each law.
func TestLawsOfDetectionMillion(t *testing.T) { holdLaws(t, 1_000_000) }
