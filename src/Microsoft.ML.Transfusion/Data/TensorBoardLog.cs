// A run as TensorBoard shows it: curves over steps, and samples as pictures and text, by TorchSharp's writer of event files.
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transfusion.Imaging;
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Data;

internal sealed class TensorBoardLog
{
    private readonly SummaryWriter _writer;

    private TensorBoardLog(SummaryWriter writer) => _writer = writer;

    /// <summary>Begins an event file in a folder, which is made where it is missing; null for no folder.</summary>
    /// <exception cref="InvalidOperationException">The folder cannot be made or written.</exception>
    public static TensorBoardLog? Open(IExceptionContext context, string? folder)
    {
        if (folder is null)
            return null;
        NativeTorch.Require();                                     // checksums are libtorch's
        try
        {
            return new TensorBoardLog(utils.tensorboard.SummaryWriter(folder));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw context.Process(new InvalidOperationException($"TensorBoardFolder '{folder}' cannot be written: {exception.Message} Name another folder, or null to go without.", exception));
        }
    }

    /// <summary>One point for every curve; a number that the report lacks, or that is none, leaves its curve without. Samples become a picture and a text each.</summary>
    /// <exception cref="IOException">The disk is full, or the folder went away.</exception>
    public void Write(TrainingProgress progress)
    {
        foreach ((string tag, double? value) in Curves(progress))
            if (value is { } number && double.IsFinite(number))
                _writer.add_scalar(tag, (float)number, progress.Step);
        foreach ((int index, TrainingSample sample) in progress.Samples.Index())
            Write(sample, $"samples/{index + 1}", progress.Step);
    }

    private static (string Tag, double? Value)[] Curves(TrainingProgress progress) =>
    [
        ("train/language_loss", progress.LanguageLoss),
        ("train/diffusion_loss", progress.DiffusionLoss),
        ("train/gradient_norm", progress.GradientNorm),
        ("train/learning_rate", progress.LearningRate),
        ("train/epochs", progress.Epochs),
        ("train/skipped_steps", progress.SkippedSteps),
        ("speed/tokens_per_second", progress.TokensPerSecond),
        ("validation/language_loss", progress.ValidationLanguageLoss),
        ("validation/diffusion_loss", progress.ValidationDiffusionLoss),
        ("validation/captions_exact_match", progress.ValidationCaptions?.ExactMatch),
        ("validation/captions_cider", progress.ValidationCaptions?.Cider),
        ("validation/captions_bleu4", progress.ValidationCaptions?.Bleu4),
        ("validation/captions_rouge_l", progress.ValidationCaptions?.RougeL),
    ];

    /// <summary>The drawing beside the picture that its caption came with, and both captions.</summary>
    private void Write(TrainingSample sample, string tag, int step)
    {
        using var scope = NewDisposeScope();
        using MLImage pictures = ImageTensors.ToImage(cat([ToTensor(sample.GeneratedImage), ToTensor(sample.Image)], 2));       // [3, H, 2·W]
        string file = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName() + ".png");        // given a tensor, the writer computes with unsafe scalars
        try
        {
            pictures.Save(file);
            _writer.add_img(tag, file, step);
        }
        finally
        {
            File.Delete(file);
        }
        _writer.add_text(tag, $"drawn, on the left: {sample.Caption}\n\ncaptioned, on the right: {sample.GeneratedCaption}", step);
    }

    private static Tensor ToTensor(MLImage image) => ImageTensors.ToTensor(image, image.Height, image.Width);
}
