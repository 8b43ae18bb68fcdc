// Seeds for the parts of a run: one number decides everything, and no generator's state has to be kept to go on from the middle.
namespace Microsoft.ML.Transfusion.Training;

internal static class StepSeed
{
    /// <summary>SplitMix64 (Steele et al. 2014) of the run's seed and a counter: neighbours share nothing.</summary>
    public static ulong Of(int seed, long counter)
    {
        ulong mixed = unchecked(((ulong)(uint)seed << 32 ^ (ulong)counter) + 0x9E3779B97F4A7C15UL);
        mixed = unchecked((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9UL);
        mixed = unchecked((mixed ^ (mixed >> 27)) * 0x94D049BB133111EBUL);
        return mixed ^ (mixed >> 31);
    }
}
