namespace Microsoft.ML.Transfusion.Training;

/// <summary>One thread's part of something that several do together.</summary>
internal readonly record struct WorkShare(int Number, int Count)
{
    public static WorkShare Whole => new(0, 1);

    /// <summary>A range of so many things; the shares' ranges follow each other without gaps.</summary>
    public (long Begin, long Length) Of(long total)
    {
        long begin = total * Number / Count;
        return (begin, total * (Number + 1) / Count - begin);
    }
}
