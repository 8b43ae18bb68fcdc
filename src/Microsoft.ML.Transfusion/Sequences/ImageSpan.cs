namespace Microsoft.ML.Transfusion.Sequences;

/// <summary>Where an image's patches stand in a sequence; the tokens around them (BOI, EOI) are not part of it.</summary>
internal readonly record struct ImageSpan(int Start, int Length)
{
    public int End => Start + Length;
}
