// One row of a captioned folder.
namespace Microsoft.ML.Transfusion.Data;

/// <param name="imagePath">The full path of the picture.</param>
/// <param name="caption">What it shows; may be empty.</param>
internal sealed class CaptionedImage(string imagePath, string caption)
{
    public string ImagePath { get; } = imagePath;

    public string Caption { get; } = caption;
}
