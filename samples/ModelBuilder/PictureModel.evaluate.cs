// How good the model is on pictures that it was not trained on.
using Microsoft.ML;
using Microsoft.ML.Transfusion;

namespace ModelBuilder;

public partial class PictureModel
{
    /// <summary>Captions the pictures and compares with what people wrote; docs/evaluation.md explains the numbers.</summary>
    public static TransfusionMetrics Evaluate(MLContext ml, ITransformer model, IDataView data) => ml.Generation.Evaluate(model.Transform(data));
}
