// Which compositions training never sees: about a tenth, chosen by a hash of the meaning, so that neither seed, place nor wording matters.
// A pair is held out as a pair: both its objects occur in training beside others. A single object is held out as a picture of it alone:
// it does occur in training as half of a pair, for else a fifth of all pairs would have to go.
namespace Shapes.Data;

internal static class HeldOut
{
    private const uint OneIn = 10;

    public static bool Contains(Composition composition) => Hash(Caption.Write(composition)) % OneIn == 0;

    /// <summary>FNV-1a with a final mix: string.GetHashCode differs from process to process.</summary>
    private static uint Hash(string text)
    {
        uint hash = 2166136261;
        foreach (char letter in text)
            hash = (hash ^ letter) * 16777619;
        hash ^= hash >> 15;
        return hash * 2246822519 >> 8;
    }
}
