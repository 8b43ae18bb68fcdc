// Which compositions training never sees. Pairs: a tenth, chosen by a hash of the meaning, so that neither seed, place nor wording matters; both objects
// of such a pair occur in training, alone and beside others. Single objects: one colour for each kind and size, such that every colour is held out
// somewhere; as half of a pair they do occur in training, for else a third of all pairs would have to go.
namespace Shapes.Data;

internal static class HeldOut
{
    private const uint OnePairIn = 10;

    public static bool Contains(Composition composition) => composition.Second is null
        ? (int)composition.First.Color == ((int)composition.First.Size * 3 + (int)composition.First.Kind * 2) % Enum.GetValues<ShapeColor>().Length
        : Hash(Caption.Write(composition)) % OnePairIn == 0;

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
