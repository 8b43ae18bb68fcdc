// What a caller gets instead of memory that grows without end.
namespace Microsoft.ML.Transfusion;

/// <summary>More is asked of a model at once than <see cref="TransfusionModel.MaxWaitingRows"/> allows. Ask again later; what was accepted before goes on.</summary>
public sealed class GenerationOverloadException : InvalidOperationException
{
    internal GenerationOverloadException(int waiting, int limit)
        : base($"{waiting} rows wait for this model already and MaxWaitingRows is {limit}. Try again later, call from fewer threads, or set MaxWaitingRows higher.")
    {
    }
}
